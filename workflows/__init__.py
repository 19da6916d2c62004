"""The sequence: how a request enters, in which chain its steps run, and what is published when."""

"""Starting and watching the pieces of a deployment on one machine."""

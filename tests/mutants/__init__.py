"""Seeded protocol bugs and the cells that must catch each: ``python -m tests.mutants``, ``make mutants``.

A mutant is one small edit of the real code that breaks a promise. A cell is a test, named by its pytest id, that must
fail on the mutant and pass on the real code. The table is `catalog.MUTANTS`; `docs/mutants.md` is written from it.
"""

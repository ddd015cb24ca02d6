"""What the pipeline promises, measured on made-up conversations: `clio evaluate`.

Two parts that share `pipeline`, which runs the engine's stages in memory; nothing of a site's is read.

Attacks (`clio evaluate privacy`, docs/attacks.md): one module an attack, `analysts` holds the models that nobody should
trust, `run` calls them, `report` prints. The paper's own validations (docs/evaluation.md): `corpora` are what
is read, `given` takes them through the engine once, `sections` has a module for each thing that is measured.
"""

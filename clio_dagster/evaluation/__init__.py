"""What the pipeline promises, measured on made-up conversations: `clio evaluate`, docs/evaluating.md.

`pipeline` runs the engine's stages in memory; nothing of a site's is read. `corpora` are what is read, `given` takes
them through the stages once, `sections` has a module for each thing that is measured, the modules beside it compute.
`saved`, `compare` and `document` are what becomes of it. `attacks` is a command of its own.
"""

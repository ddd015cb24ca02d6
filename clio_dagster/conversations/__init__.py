"""Reading: source files in, validated conversations out, split by day and language, accounts pseudonymised.

`files` streams records out of files, `layouts` recognises what kind they are, `records` validates them,
`languages` identifies the user's language, `landing` does one pass over a file and writes what came of it.
"""

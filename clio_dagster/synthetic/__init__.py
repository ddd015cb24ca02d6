"""Made-up conversations and accounts, for `clio demo` and for every test of a threshold.

`accounts` makes accounts that behave like people; `grammar` and `topics/` make what they write; `canaries`
makes private data that must never be seen again; `corpus` puts them together and says what it planted.
"""

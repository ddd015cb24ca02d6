"""The release: what a day publishes, written so that a reader never meets half of it.

`contract` says which tables and columns leave, `manifest` what is said about them, `folder` swaps one release
for the next, `write` puts these together, `read` is for whoever opens a release, `tree` draws one on a
terminal and `explorer` makes the page. What may be published is decided elsewhere, by the gate and the noise;
nothing here counts.
"""

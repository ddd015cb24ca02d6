"""What `clio evaluate` measures, a module for each table of the paper's or question of a site's.

Each has `section`, from what is given to a Section.
"""

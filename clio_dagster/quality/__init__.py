"""Data quality: Great Expectations suites made from the table contracts."""

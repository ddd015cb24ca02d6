"""Review over HTTP: its routes (`app`), its pages without a script (`pages`), the audit's picture (`plot`)."""

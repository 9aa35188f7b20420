"""Results as JSON, tables, rows, CSV, Parquet and an HTML report."""

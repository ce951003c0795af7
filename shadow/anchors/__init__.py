"""Known cases: texts with a human label, and what each scorer said of them when it was known to be well."""

"""What `python -m bench.scorers` measures: labelled pairs, altered structures, labelled safety data, answers of real models."""

"""From evidence to a verdict: policy, gates, utility, decision, and how a verdict is shown.

`result` holds the values alone and is cheap to import; `decide` and `policy` bring numpy and scipy with them.
"""

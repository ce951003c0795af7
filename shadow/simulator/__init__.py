"""An OpenAI-compatible server with set delays, faults and vLLM-shaped metrics, for tests and demos."""

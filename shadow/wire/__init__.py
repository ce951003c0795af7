"""Reading the wire: one JSON parser, one stream splitter, one assembler and one normaliser, for recorded and live alike."""

"""The tables as files that other programs read, and back: Parquet with a manifest, and a catalogue of them."""

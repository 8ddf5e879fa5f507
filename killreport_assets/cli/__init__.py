"""The command `killreport`: thin commands over the other rooms, and the one printer of rows."""

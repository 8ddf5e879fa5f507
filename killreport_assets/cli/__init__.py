"""The command `killreport`: thin commands over the other packages, and the printing of rows."""

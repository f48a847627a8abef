"""Files of rows, read as streams of Arrow batches in constant memory."""

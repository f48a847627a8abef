"""The expressions and programs of the dialect: conditions, computed columns, the DATA step."""

"""What is said where the name FCMP and the text of a function do not come together."""

NO_TEXT = (
    "options 'act' and 'fcmpAct' got 'FCMP' and no text, expected the text of a function with "
    "'FCMP' and none without"
)
NO_NAME = (
    "options 'act' and 'fcmpAct' got 'AUTO' and a text, expected the text of a function with "
    "'FCMP' and none without"
)

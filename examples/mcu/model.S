/* The model's file as read-only data. MODEL is its path, given by build.sh. */
    .section .rodata.model, "a"
    .balign 16
    .global board_model, board_model_end
board_model:
    .incbin MODEL
board_model_end:
    .section .note.GNU-stack, ""

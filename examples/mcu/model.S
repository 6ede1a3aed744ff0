/* The model's file as read-only data, and the inputs of a network. MODEL and INPUT are their paths, given by build.sh. */
    .section .rodata.model, "a"
    .balign 16
    .global board_model, board_model_end
board_model:
    .incbin MODEL
board_model_end:
#ifdef INPUT
    .balign 16
    .global board_input, board_input_end
board_input:
    .incbin INPUT
board_input_end:
#endif
    .section .note.GNU-stack, ""

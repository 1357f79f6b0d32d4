"""What methods share: training loops over spots and slides, cards, modules. A frame is not a method."""

"""How a wrong training step is explained: observation proposes, replay proves."""

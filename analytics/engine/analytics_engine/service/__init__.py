"""The service: `loop` lets each `follower` read its `streams`, keeps all in the `store`, and says
how it is (`status`, `metrics`)."""

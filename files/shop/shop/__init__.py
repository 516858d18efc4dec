"""A request's way: cli, service (uvicorn), application (what each service answers), outgoing."""

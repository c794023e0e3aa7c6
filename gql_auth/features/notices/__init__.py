"""Notices: what owners are told of by mail, unasked."""

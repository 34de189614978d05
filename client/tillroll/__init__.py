"""Tillroll."""

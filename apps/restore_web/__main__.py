"""`python -m restore_web`: the page on its default address."""

from restore_web import serve

serve()

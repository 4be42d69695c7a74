"""The tabs of the page, one file each; `app.py` lists them."""

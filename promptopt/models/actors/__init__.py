"""A model that lives in several processes: workers that hold it, and who spreads requests over them."""

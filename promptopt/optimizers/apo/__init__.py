"""APO (ProTeGi): textual gradients."""

# Stands for a kernel file that a recipe puts over one of the image's own.
PATCHED = True

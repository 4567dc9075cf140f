"""A model's equations as compiled code: one patient per lane of a vector processor, or per thread of a GPU."""

"""The paper's method: the process, the samplers, the network, and what can be computed exactly.

Nothing here knows where images come from: a sampler takes any callable F(x_t, t).
"""

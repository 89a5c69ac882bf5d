"""Models for embedding_processor: fetched at a pinned revision, exported to one ONNX graph, quantised, verified.

`download_model` is the command. Its packages are the group `models`; torch is not among them: graphs are written from
the weights (`graphs`), and models of other kinds have to bring a graph of their own.
"""

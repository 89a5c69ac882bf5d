"""The index server as a process that can be killed and started again; it ends with its parent."""

from sandbox.pinecone_server import main
from sandbox.workspace import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    main()

"""pinecone against a gateway: upsert, query, stats. Prints what it got as one line of JSON."""
import json
import sys

from pinecone import Pinecone

address, key = sys.argv[1:3]
index = Pinecone(api_key=key).Index(host=address + "/pinecone")
index.upsert(vectors=[("a", [1.0, 0.0, 0.0]), ("b", [0.0, 1.0, 0.0])], namespace="ns")
found = index.query(vector=[0.9, 0.1, 0.0], top_k=2, namespace="ns")
stats = index.describe_index_stats()
print(json.dumps({
    "ids": [match.id for match in found.matches],
    "count": stats.total_vector_count,
}))

internal import Synchronization

/// A vector with what the caller keeps beside it.
package struct StoredVector: Sendable, Equatable {
    package var vector: DenseVector
    package var metadata: [String: JSONValue]?

    package init(vector: DenseVector, metadata: [String: JSONValue]? = nil) {
        self.vector = vector
        self.metadata = metadata
    }
}

/// What a query found.
package struct VectorMatch: Sendable, Equatable {
    package let id: String
    package let score: Float
    package let stored: StoredVector
}

package enum VectorIndexError: Error, Equatable {
    case dimensionMismatch(given: Int, expected: Int)
    case full(maximum: Int)
    case unknownID(String)
}

/// One index with its namespaces, in memory.
package final class VectorIndex: Sendable {
    package let maximumVectors: Int
    /// Nil: each namespace takes the dimension of its first vector, so that a test's small vectors need no set-up.
    package let dimension: Int?
    private let namespaces = Mutex<[String: [String: StoredVector]]>([:])

    package init(dimension: Int? = nil, maximumVectors: Int = 100_000) {
        self.dimension = dimension
        self.maximumVectors = maximumVectors
    }

    /// Stores vectors under their ids, all or none.
    package func upsert(_ vectors: [(id: String, stored: StoredVector)], namespace: String) throws(VectorIndexError) {
        try namespaces.withLock { namespaces throws(VectorIndexError) in
            var space = namespaces[namespace] ?? [:]
            let others = namespaces.reduce(0) { $0 + ($1.key == namespace ? 0 : $1.value.count) }
            var expected = dimension ?? space.first?.value.vector.count
            for (id, stored) in vectors {
                if let expected, expected != stored.vector.count {
                    throw .dimensionMismatch(given: stored.vector.count, expected: expected)
                }
                expected = stored.vector.count
                space[id] = stored
            }
            guard others + space.count <= maximumVectors else { throw .full(maximum: maximumVectors) }
            namespaces[namespace] = space
        }
    }

    /// Replaces a vector's values or adds to its metadata; an id that is not there is no error, as in the service.
    package func update(
        id: String,
        values: [Float]?,
        metadata: [String: JSONValue]?,
        namespace: String
    ) throws(VectorIndexError) {
        try namespaces.withLock { namespaces throws(VectorIndexError) in
            guard var stored = namespaces[namespace]?[id] else { return }
            if let values {
                guard values.count == stored.vector.count else {
                    throw .dimensionMismatch(given: values.count, expected: stored.vector.count)
                }
                stored.vector = DenseVector(values)
            }
            if let metadata { stored.metadata = (stored.metadata ?? [:]).merging(metadata) { $1 } }
            namespaces[namespace]?[id] = stored
        }
    }

    /// The `count` vectors nearest by cosine, best first; equal scores in the order of their ids.
    package func query(
        _ vector: DenseVector,
        count: Int,
        namespace: String,
        filter: MetadataFilter? = nil
    ) throws(VectorIndexError) -> [VectorMatch] {
        let space = snapshot(namespace)
        if let expected = dimension ?? space.first?.value.vector.count, expected != vector.count {
            throw .dimensionMismatch(given: vector.count, expected: expected)
        }
        let matches = space.compactMap { id, stored -> VectorMatch? in
            guard filter?.matches(stored.metadata) ?? true else { return nil }
            return VectorMatch(id: id, score: stored.vector.cosine(vector), stored: stored)
        }
        return Array(matches.sorted { ($1.score, $0.id) < ($0.score, $1.id) }.prefix(count))
    }

    /// As `query`, for the vector stored under an id.
    package func query(
        id: String,
        count: Int,
        namespace: String,
        filter: MetadataFilter? = nil
    ) throws(VectorIndexError) -> [VectorMatch] {
        guard let stored = snapshot(namespace)[id] else { throw .unknownID(id) }
        return try query(stored.vector, count: count, namespace: namespace, filter: filter)
    }

    package func fetch(_ ids: [String], namespace: String) -> [String: StoredVector] {
        snapshot(namespace).filter { ids.contains($0.key) }
    }

    /// Ids in order, after `token`.
    package func list(prefix: String, after token: String, limit: Int, namespace: String) -> [String] {
        Array(snapshot(namespace).keys.filter { $0.hasPrefix(prefix) && $0 > token }.sorted().prefix(limit))
    }

    package func delete(ids: [String], namespace: String) {
        namespaces.withLock { namespaces in
            for id in ids { namespaces[namespace]?[id] = nil }
        }
    }

    package func delete(matching filter: MetadataFilter, namespace: String) {
        namespaces.withLock { namespaces in
            namespaces[namespace] = namespaces[namespace]?.filter { !filter.matches($0.value.metadata) }
        }
    }

    package func deleteAll(namespace: String) {
        namespaces.withLock { $0[namespace] = nil }
    }

    /// Vectors in each namespace.
    package var counts: [String: Int] {
        namespaces.withLock { $0.mapValues(\.count) }
    }

    /// Copied on write: a query computes on it outside the lock.
    private func snapshot(_ namespace: String) -> [String: StoredVector] {
        namespaces.withLock { $0[namespace] ?? [:] }
    }
}

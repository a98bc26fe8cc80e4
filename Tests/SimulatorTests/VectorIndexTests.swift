internal import Simulator
internal import Testing

@Suite struct VectorIndexTests {
    private let index = VectorIndex()

    private func store(_ vectors: [String: [Float]], namespace: String = "") throws {
        try index.upsert(
            vectors.map { ($0.key, StoredVector(vector: DenseVector($0.value), metadata: ["id": .string($0.key)])) },
            namespace: namespace
        )
    }

    @Test("Matches are ranked by cosine, whatever the vectors' lengths")
    func ranking() throws {
        try store(["east": [10, 0, 0], "northeast": [0.1, 0.1, 0], "north": [0, 3, 0], "west": [-1, 0, 0]])
        let matches = try index.query(DenseVector([2, 0.5, 0]), count: 3, namespace: "")
        #expect(matches.map(\.id) == ["east", "northeast", "north"])
        #expect(abs(matches[0].score - 0.970_142_5) < 1e-6)
        #expect(abs(matches[1].score - 0.857_493) < 1e-6)
        #expect(abs(matches[2].score - 0.242_535_6) < 1e-6)
    }

    @Test("The cosine is that of the definition in every dimension", arguments: [1, 7, 8, 9, 768])
    func cosine(dimension: Int) {
        var generator = SeededGenerator(seed: 5)
        let left = (0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) }
        let right = (0..<dimension).map { _ in Float.random(in: -1...1, using: &generator) }
        let dot = zip(left, right).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        let lengths = [left, right].map { $0.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
        let score = DenseVector(left).cosine(DenseVector(right))
        #expect(abs(Double(score) - dot / (lengths[0] * lengths[1])) < 1e-5)
        #expect(DenseVector(left).values == left)
    }

    @Test("Namespaces are apart")
    func namespaces() throws {
        try store(["a": [1, 0]], namespace: "one")
        try store(["b": [1, 0, 0]], namespace: "two")
        #expect(try index.query(DenseVector([1, 0]), count: 9, namespace: "one").map(\.id) == ["a"])
        #expect(try index.query(DenseVector([1, 0]), count: 9, namespace: "none").isEmpty)
        #expect(index.counts == ["one": 1, "two": 1])
    }

    @Test("Another dimension than the namespace's is an error and stores nothing")
    func dimension() throws {
        try store(["a": [1, 0]])
        #expect(throws: VectorIndexError.dimensionMismatch(given: 3, expected: 2)) {
            try store(["b": [1, 0, 0]])
        }
        #expect(throws: VectorIndexError.dimensionMismatch(given: 1, expected: 2)) {
            try index.query(DenseVector([1]), count: 1, namespace: "")
        }
        #expect(index.counts == ["": 1])
    }

    @Test("A full index takes no more")
    func full() throws {
        let index = VectorIndex(maximumVectors: 1)
        try index.upsert([("a", StoredVector(vector: DenseVector([1])))], namespace: "")
        try index.upsert([("a", StoredVector(vector: DenseVector([2])))], namespace: "")
        #expect(throws: VectorIndexError.full(maximum: 1)) {
            try index.upsert([("b", StoredVector(vector: DenseVector([1])))], namespace: "other")
        }
    }

    @Test("A stored vector can be queried by its id, fetched, changed, listed and deleted")
    func life() throws {
        try store(["a1": [1, 0], "a2": [1, 1], "b1": [0, 1]])
        #expect(try index.query(id: "a1", count: 1, namespace: "").first?.id == "a1")
        #expect(throws: VectorIndexError.unknownID("z")) { try index.query(id: "z", count: 1, namespace: "") }
        try index.update(id: "a1", values: [0, -1], metadata: ["seen": .bool(true)], namespace: "")
        let fetched = index.fetch(["a1", "z"], namespace: "")
        #expect(fetched.keys.sorted() == ["a1"])
        #expect(fetched["a1"]?.vector.values == [0, -1])
        #expect(fetched["a1"]?.metadata == ["id": .string("a1"), "seen": .bool(true)])
        #expect(index.list(prefix: "a", after: "", limit: 10, namespace: "") == ["a1", "a2"])
        #expect(index.list(prefix: "", after: "a1", limit: 1, namespace: "") == ["a2"])
        index.delete(ids: ["a1"], namespace: "")
        index.delete(matching: try MetadataFilter(["id": .string("b1")]), namespace: "")
        #expect(index.list(prefix: "", after: "", limit: 10, namespace: "") == ["a2"])
        index.deleteAll(namespace: "")
        #expect(index.counts.isEmpty)
    }
}

@Suite struct MetadataFilterTests {
    private static let film: [String: JSONValue] = [
        "genre": .string("drama"), "year": .number(2020), "seen": .bool(true),
        "tags": .array([.string("long"), .string("old")]),
    ]

    @Test(
        "Operators select by metadata",
        arguments: [
            (["genre": .string("drama")], true),
            (["genre": .object(["$eq": .string("comedy")])], false),
            (["genre": .object(["$ne": .string("comedy")])], true),
            (["year": .object(["$gt": .number(2019), "$lte": .number(2020)])], true),
            (["year": .object(["$lt": .number(2020)])], false),
            (["year": .object(["$gte": .number(2021)])], false),
            (["genre": .object(["$in": .array([.string("comedy"), .string("drama")])])], true),
            (["genre": .object(["$nin": .array([.string("drama")])])], false),
            (["tags": .string("old")], true),
            (["tags": .object(["$in": .array([.string("new")])])], false),
            (["studio": .object(["$exists": .bool(false)])], true),
            (["seen": .bool(true), "year": .number(1999)], false),
            (["$or": .array([.object(["year": .number(1999)]), .object(["seen": .bool(true)])])], true),
            (["$and": .array([.object(["year": .number(1999)]), .object(["seen": .bool(true)])])], false),
        ] as [([String: JSONValue], Bool)]
    )
    func operators(filter: [String: JSONValue], matches: Bool) throws {
        #expect(try MetadataFilter(filter).matches(Self.film) == matches)
    }

    @Test(
        "What is no filter is refused",
        arguments: [
            ["$not": .string("x")], ["year": .object(["$near": .number(1)])], ["$or": .array([.number(1)])],
            ["year": .null], ["year": .object(["$in": .number(3)])],
        ] as [[String: JSONValue]]
    )
    func refused(filter: [String: JSONValue]) {
        #expect(throws: FilterError.self) { try MetadataFilter(filter) }
    }
}

package import NIOCore

/// Plans Pinecone's calls on one index; the control plane knows that index only.
package struct PineconeService: Sendable {
    private let index: VectorIndex
    private let name: String
    /// Where the data plane is reached, with scheme, as a description of the index tells it.
    private let host: String
    private let defaultDimension: Int

    package init(index: VectorIndex, name: String, host: String, defaultDimension: Int) {
        self.index = index
        self.name = name
        self.host = host
        self.defaultDimension = defaultDimension
    }

    package func plan(_ call: PineconeCall, query: QueryItems, body: ByteBuffer) -> Plan {
        do throws(BodyError) {
            return switch call {
            case .query: try self.query(body)
            case .upsert: try upsert(body)
            case .update: try update(body)
            case .delete: try delete(body)
            case .fetch: fetch(query)
            case .list: list(query)
            case .describeIndexStats: work { .json(stats) }
            case .listIndexes: work { .json(IndexList(indexes: [description])) }
            case .describeIndex(let wanted):
                wanted == name
                    ? work { .json(description) }
                    : .answer(PineconeError.notFound("Resource \(wanted) not found").reply)
            }
        } catch {
            return .answer(PineconeError.badRequest(error.reason).reply)
        }
    }

    private func query(_ body: ByteBuffer) throws(BodyError) -> Plan {
        let request = try decodedJSON(QueryRequest.self, from: body)
        guard (1...10_000).contains(request.topK) else { throw BodyError(reason: "topK must be from 1 to 10000") }
        guard (request.vector == nil) != (request.id == nil) else {
            throw BodyError(reason: "either 'vector' or 'id' must be provided, not both")
        }
        let filter = try request.filter.map { json throws(BodyError) in try Self.filter(json) }
        let index = index
        return work(Demand(service: .pinecone, model: name)) {
            Self.answered { () throws(VectorIndexError) in
                let space = request.namespace ?? ""
                let matches =
                    if let vector = request.vector {
                        try index.query(DenseVector(vector), count: request.topK, namespace: space, filter: filter)
                    } else {
                        try index.query(id: request.id ?? "", count: request.topK, namespace: space, filter: filter)
                    }
                return .json(Self.response(matches, to: request))
            }
        }
    }

    private func upsert(_ body: ByteBuffer) throws(BodyError) -> Plan {
        let request = try decodedJSON(UpsertRequest.self, from: body)
        guard (1...1000).contains(request.vectors.count) else {
            throw BodyError(reason: "from 1 to 1000 vectors can be upserted at once")
        }
        guard request.vectors.allSatisfy({ !$0.id.isEmpty && !$0.values.isEmpty && $0.values.count <= 20_000 }) else {
            throw BodyError(reason: "each vector needs an id and from 1 to 20000 values")
        }
        let index = index
        return work {
            Self.answered { () throws(VectorIndexError) in
                let vectors = request.vectors.map {
                    (id: $0.id, stored: StoredVector(vector: DenseVector($0.values), metadata: $0.metadata))
                }
                try index.upsert(vectors, namespace: request.namespace ?? "")
                return .json(UpsertResponse(upsertedCount: vectors.count))
            }
        }
    }

    private func update(_ body: ByteBuffer) throws(BodyError) -> Plan {
        let request = try decodedJSON(UpdateRequest.self, from: body)
        let index = index
        return work {
            Self.answered { () throws(VectorIndexError) in
                try index.update(
                    id: request.id,
                    values: request.values,
                    metadata: request.setMetadata,
                    namespace: request.namespace ?? ""
                )
                return .json([String: String]())
            }
        }
    }

    private func delete(_ body: ByteBuffer) throws(BodyError) -> Plan {
        let request = try decodedJSON(DeleteRequest.self, from: body)
        let filter = try request.filter.map { json throws(BodyError) in try Self.filter(json) }
        let space = request.namespace ?? ""
        let index = index
        return work {
            if request.deleteAll == true { index.deleteAll(namespace: space) }
            index.delete(ids: request.ids ?? [], namespace: space)
            if let filter { index.delete(matching: filter, namespace: space) }
            return .json([String: String]())
        }
    }

    private func fetch(_ query: QueryItems) -> Plan {
        let space = query.first("namespace") ?? ""
        let ids = query.all("ids")
        let index = index
        return work {
            let found = index.fetch(ids, namespace: space)
            let vectors = found.mapValues { $0 }.map { id, stored in
                (id, FetchResponse.Vector(id: id, values: stored.vector.values, metadata: stored.metadata))
            }
            return .json(
                FetchResponse(
                    vectors: Dictionary(uniqueKeysWithValues: vectors),
                    namespace: space,
                    usage: ReadUsage(readUnits: 1)
                )
            )
        }
    }

    private func list(_ query: QueryItems) -> Plan {
        let space = query.first("namespace") ?? ""
        let limit = min(max(query.first("limit").flatMap { Int($0) } ?? 100, 1), 100)
        let prefix = query.first("prefix") ?? ""
        let token = query.first("paginationToken") ?? ""
        let index = index
        return work {
            let ids = index.list(prefix: prefix, after: token, limit: limit, namespace: space)
            return .json(
                ListResponse(
                    vectors: ids.map { ListResponse.Item(id: $0) },
                    pagination: ids.count == limit ? ids.last.map { ListResponse.Pagination(next: $0) } : nil,
                    namespace: space,
                    usage: ReadUsage(readUnits: 1)
                )
            )
        }
    }

    private var stats: IndexStats {
        let counts = index.counts
        return IndexStats(
            namespaces: counts.mapValues { IndexStats.Namespace(vectorCount: $0) },
            dimension: index.dimension ?? defaultDimension,
            indexFullness: Double(counts.values.reduce(0, +)) / Double(index.maximumVectors),
            totalVectorCount: counts.values.reduce(0, +)
        )
    }

    private var description: IndexDescription {
        IndexDescription(name: name, dimension: index.dimension ?? defaultDimension, host: host)
    }

    private func work(_ demand: Demand? = nil, answer: @escaping @Sendable () -> Reply) -> Plan {
        .work(
            Work(
                demand: demand,
                answer: answer,
                refusal: { [name] violations in
                    let violation =
                        violations.first ?? Violation(quota: .pineconeQueriesPerMinute, limit: 0, wait: .zero)
                    return PineconeError.queriesExceeded(violation, index: name).reply
                },
                failure: { PineconeError.fault(status: $0).reply }
            )
        )
    }

    private static func filter(_ json: [String: JSONValue]) throws(BodyError) -> MetadataFilter {
        do throws(FilterError) {
            return try MetadataFilter(json)
        } catch {
            throw BodyError(reason: error.reason)
        }
    }

    private static func answered(_ answer: () throws(VectorIndexError) -> Reply) -> Reply {
        do throws(VectorIndexError) {
            return try answer()
        } catch {
            return switch error {
            case .dimensionMismatch(let given, let expected):
                PineconeError.badRequest(
                    "Vector dimension \(given) does not match the dimension of the index \(expected)"
                ).reply
            case .full(let maximum):
                PineconeError.full("You've reached the max number of vectors in this index, \(maximum)").reply
            case .unknownID(let id): PineconeError.badRequest("no vector with id \(id)").reply
            }
        }
    }

    private static func response(_ matches: [VectorMatch], to request: QueryRequest) -> QueryResponse {
        QueryResponse(
            matches: matches.map { match in
                QueryResponse.Match(
                    id: match.id,
                    score: match.score,
                    values: request.includeValues == true ? match.stored.vector.values : [],
                    metadata: request.includeMetadata == true ? match.stored.metadata : nil
                )
            },
            namespace: request.namespace ?? "",
            usage: ReadUsage(readUnits: 5)
        )
    }
}

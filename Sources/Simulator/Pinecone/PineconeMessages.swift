struct QueryRequest: Decodable {
    let vector: [Float]?
    let id: String?
    let topK: Int
    let namespace: String?
    let filter: [String: JSONValue]?
    let includeValues: Bool?
    let includeMetadata: Bool?
}

struct QueryResponse: Encodable {
    let matches: [Match]
    let namespace: String
    let usage: ReadUsage

    struct Match: Encodable {
        let id: String
        let score: Float
        let values: [Float]
        let metadata: [String: JSONValue]?
    }
}

struct ReadUsage: Encodable {
    let readUnits: Int
}

struct UpsertRequest: Decodable {
    let vectors: [Vector]
    let namespace: String?

    struct Vector: Decodable {
        let id: String
        let values: [Float]
        let metadata: [String: JSONValue]?
    }
}

struct UpsertResponse: Encodable {
    let upsertedCount: Int
}

struct UpdateRequest: Decodable {
    let id: String
    let values: [Float]?
    let setMetadata: [String: JSONValue]?
    let namespace: String?
}

struct DeleteRequest: Decodable {
    let ids: [String]?
    let deleteAll: Bool?
    let filter: [String: JSONValue]?
    let namespace: String?
}

struct FetchResponse: Encodable {
    let vectors: [String: Vector]
    let namespace: String
    let usage: ReadUsage

    struct Vector: Encodable {
        let id: String
        let values: [Float]
        let metadata: [String: JSONValue]?
    }
}

struct ListResponse: Encodable {
    let vectors: [Item]
    let pagination: Pagination?
    let namespace: String
    let usage: ReadUsage

    struct Item: Encodable {
        let id: String
    }

    struct Pagination: Encodable {
        let next: String
    }
}

struct IndexStats: Encodable {
    let namespaces: [String: Namespace]
    let dimension: Int
    let indexFullness: Double
    let totalVectorCount: Int
    let metric = "cosine"
    let vectorType = "dense"

    struct Namespace: Encodable {
        let vectorCount: Int
    }

    private enum CodingKeys: String, CodingKey {
        case namespaces, dimension, indexFullness, totalVectorCount, metric, vectorType
    }
}

/// An index as the control plane describes it, with the members of old and new API versions.
struct IndexDescription: Encodable {
    let name: String
    let dimension: Int
    let host: String
    let metric = "cosine"
    let vectorType = "dense"
    let deletionProtection = "disabled"
    let status = ["ready": JSONValue.bool(true), "state": .string("Ready")]
    let spec: JSONValue = .object(["serverless": .object(["cloud": .string("aws"), "region": .string("us-east-1")])])

    private enum CodingKeys: String, CodingKey {
        case name, dimension, host, metric, status, spec, schema, deployment
        case vectorType = "vector_type"
        case deletionProtection = "deletion_protection"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(dimension, forKey: .dimension)
        try container.encode(host, forKey: .host)
        try container.encode(metric, forKey: .metric)
        try container.encode(status, forKey: .status)
        try container.encode(spec, forKey: .spec)
        try container.encode(vectorType, forKey: .vectorType)
        try container.encode(deletionProtection, forKey: .deletionProtection)
        let field: JSONValue = .object([
            "type": .string("dense_vector"), "dimension": .number(Double(dimension)), "metric": .string(metric),
        ])
        try container.encode(JSONValue.object(["fields": .object(["_values": field])]), forKey: .schema)
        let deployment: JSONValue = .object([
            "deployment_type": .string("managed"), "cloud": .string("aws"), "region": .string("us-east-1"),
            "environment": .string("simulator"),
        ])
        try container.encode(deployment, forKey: .deployment)
    }
}

struct IndexList: Encodable {
    let indexes: [IndexDescription]
}

internal import CPostgres
package import FoundationEssentials

/// A value for `$1`, `$2` … of a statement, sent in binary with its type, never as part of the SQL.
package enum PostgresParameter: Equatable, Sendable {
    case null
    case text(String)
    case integer(Int64)
    case boolean(Bool)
    case uuid(UUID)
    case timestamp(PostgresTimestamp)
    case json(String)
    case bytes([UInt8])

    package static func text(orNull text: String?) -> Self {
        text.map(Self.text) ?? .null
    }
}

/// Type numbers of `pg_type`, which are fixed.
enum PostgresType {
    static let boolean: Oid = 16
    static let bytes: Oid = 17
    static let name: Oid = 19
    static let integer8: Oid = 20
    static let integer2: Oid = 21
    static let integer4: Oid = 23
    static let text: Oid = 25
    static let json: Oid = 114
    static let double: Oid = 701
    static let blankPadded: Oid = 1042
    static let varchar: Oid = 1043
    static let timestamp: Oid = 1184
    static let uuid: Oid = 2950
    static let jsonb: Oid = 3802
}

/// The parameters of one statement as libpq takes them: parallel arrays, all values in one piece of memory.
struct EncodedParameters {
    private(set) var types: [Oid] = []
    private(set) var lengths: [Int32] = []
    private(set) var formats: [Int32] = []
    private var offsets: [Int?] = []
    private var bytes: [UInt8] = []

    init(_ parameters: [PostgresParameter]) {
        for parameter in parameters { append(parameter) }
    }

    /// The pointers are valid during `body` only.
    func withValues<Result>(_ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
        bytes.withUnsafeBytes { memory in
            // An empty buffer has no address, but an empty string must differ from NULL.
            let start = memory.baseAddress ?? UnsafeRawPointer(bitPattern: 1)
            return body(
                offsets.map { offset in offset.flatMap { start?.advanced(by: $0) }?.assumingMemoryBound(to: CChar.self)
                }
            )
        }
    }

    private mutating func append(_ parameter: PostgresParameter) {
        guard parameter != .null else {
            types.append(0)
            lengths.append(0)
            formats.append(1)
            offsets.append(nil)
            return
        }
        let start = bytes.count
        types.append(encode(parameter))
        lengths.append(Int32(clamping: bytes.count - start))
        formats.append(1)
        offsets.append(start)
    }

    private mutating func encode(_ parameter: PostgresParameter) -> Oid {
        switch parameter {
        case .null:
            return 0
        case .text(let text):
            bytes.append(contentsOf: text.utf8)
            return PostgresType.text
        case .integer(let number):
            withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
            return PostgresType.integer8
        case .boolean(let flag):
            bytes.append(flag ? 1 : 0)
            return PostgresType.boolean
        case .uuid(let uuid):
            withUnsafeBytes(of: uuid.uuid) { bytes.append(contentsOf: $0) }
            return PostgresType.uuid
        case .timestamp(let timestamp):
            let microseconds = timestamp.microsecondsSince1970 - PostgresTimestamp.postgresEpoch
            withUnsafeBytes(of: microseconds.bigEndian) { bytes.append(contentsOf: $0) }
            return PostgresType.timestamp
        case .json(let json):
            bytes.append(contentsOf: json.utf8)
            return PostgresType.json
        case .bytes(let raw):
            bytes.append(contentsOf: raw)
            return PostgresType.bytes
        }
    }
}

internal import FoundationEssentials
internal import PostgresClient

/// Where a page begins: after the last row of the page before. Opaque to callers: base64url of a version, a kind and the key.
enum Cursor {
    private static let conversations: UInt8 = 0x11
    private static let messages: UInt8 = 0x12

    /// Conversations are listed by creation, newest first.
    struct ConversationKey: Equatable {
        let createdAt: PostgresTimestamp
        let id: UUID
    }

    static func encode(_ key: ConversationKey) -> String {
        var bytes = [conversations]
        append(key.createdAt.microsecondsSince1970, to: &bytes)
        unsafe withUnsafeBytes(of: key.id.uuid) { unsafe bytes.append(contentsOf: $0) }
        return base64URL(bytes)
    }

    /// - Parameter sequence: of the last message.
    static func encode(sequence: Int64) -> String {
        var bytes = [messages]
        append(sequence, to: &bytes)
        return base64URL(bytes)
    }

    static func conversation(_ text: String) -> ConversationKey? {
        guard let bytes = decode(text), bytes.count == 25, bytes[0] == conversations else { return nil }
        let time = PostgresTimestamp(microsecondsSince1970: number(bytes[1..<9]))
        let id = bytes[9...].map { $0 }
        let uuid = UUID(
            uuid: (
                id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12], id[13],
                id[14], id[15]
            )
        )
        return ConversationKey(createdAt: time, id: uuid)
    }

    static func sequence(_ text: String) -> Int64? {
        guard let bytes = decode(text), bytes.count == 9, bytes[0] == messages else { return nil }
        return number(bytes[1...])
    }

    private static func append(_ number: Int64, to bytes: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> Int64(shift)))
        }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int64 {
        bytes.reduce(0) { $0 << 8 | Int64($1) }
    }

    /// RFC 4648, 5, without padding.
    private static func base64URL(_ bytes: [UInt8]) -> String {
        String(
            Data(bytes).base64EncodedString().compactMap { character in
                switch character {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: character
                }
            }
        )
    }

    private static func decode(_ text: String) -> [UInt8]? {
        guard text.utf8.count <= 64 else { return nil }
        var plain = text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
        while plain.count % 4 != 0 { plain.append("=") }
        return Data(base64Encoded: String(plain)).map { [UInt8]($0) }
    }
}

package import FoundationEssentials

/// A Swift type that a column can be read as. nil: the cell is NULL or of another type.
package protocol PostgresDecodable {
    init?(_ cell: PostgresCell)
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    package init?(_ cell: PostgresCell) {
        guard cell.bytes != nil else {
            self = Self.none
            return
        }
        guard let value = Wrapped(cell) else { return nil }
        self = Self.some(value)
    }
}

/// text, varchar, char, name, json, jsonb.
extension String: PostgresDecodable {
    package init?(_ cell: PostgresCell) {
        guard var bytes = cell.bytes else { return nil }
        switch cell.type {
        case PostgresType.text, PostgresType.varchar, PostgresType.blankPadded, PostgresType.name, PostgresType.json:
            break
        case PostgresType.jsonb:
            // A version number stands first.
            guard bytes.first == 1 else { return nil }
            bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
        default:
            return nil
        }
        self.init(decoding: bytes, as: UTF8.self)
    }
}

/// smallint, integer, bigint.
extension Int64: PostgresDecodable {
    package init?(_ cell: PostgresCell) {
        guard let bytes = cell.bytes else { return nil }
        switch (cell.type, bytes.count) {
        case (PostgresType.integer2, 2): self = Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
        case (PostgresType.integer4, 4): self = Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
        case (PostgresType.integer8, 8): self = Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        default: return nil
        }
    }
}

extension Int: PostgresDecodable {
    package init?(_ cell: PostgresCell) {
        guard let number = Int64(cell) else { return nil }
        self.init(number)
    }
}

extension Double: PostgresDecodable {
    package init?(_ cell: PostgresCell) {
        guard let bytes = cell.bytes, cell.type == PostgresType.double, bytes.count == 8 else { return nil }
        self.init(bitPattern: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)))
    }
}

extension Bool: PostgresDecodable {
    package init?(_ cell: PostgresCell) {
        guard let bytes = cell.bytes, cell.type == PostgresType.boolean, bytes.count == 1 else { return nil }
        self = bytes[0] != 0
    }
}

extension UUID: PostgresDecodable {
    package init?(_ cell: PostgresCell) {
        guard let bytes = cell.bytes, cell.type == PostgresType.uuid, bytes.count == 16 else { return nil }
        self.init(uuid: bytes.loadUnaligned(as: uuid_t.self))
    }
}

extension PostgresTimestamp: PostgresDecodable {
    package init?(_ cell: PostgresCell) {
        guard let bytes = cell.bytes, cell.type == PostgresType.timestamp, bytes.count == 8 else { return nil }
        let microseconds = Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        // 'infinity' and '-infinity' are the ends of the range.
        let (sum, overflow) = microseconds.addingReportingOverflow(Self.postgresEpoch)
        guard !overflow else { return nil }
        self.init(microsecondsSince1970: sum)
    }
}

/// bytea.
extension [UInt8]: PostgresDecodable {
    package init?(_ cell: PostgresCell) {
        guard let bytes = cell.bytes, cell.type == PostgresType.bytes else { return nil }
        self.init(bytes)
    }
}

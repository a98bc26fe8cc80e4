internal import CPostgres

/// The answer to one statement. Rows are decoded where they lie, in libpq's memory.
package struct PostgresRows: Sendable, RandomAccessCollection {
    private let result: ResultMemory

    init(_ result: consuming ResultMemory) {
        self.result = result
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { result.rowCount }

    package subscript(position: Int) -> PostgresRow {
        precondition(position >= 0 && position < endIndex, "no such row")
        return PostgresRow(result: result, index: position)
    }

    /// Rows that an INSERT, UPDATE or DELETE touched, or that a SELECT gave.
    package var affectedRows: Int { result.affectedRows }

    /// `SELECT`, `INSERT`, `COMMIT` …
    package var commandTag: String { result.commandTag }
}

/// One row. Columns are found by name.
package struct PostgresRow: Sendable {
    fileprivate let result: ResultMemory
    fileprivate let index: Int

    fileprivate init(result: ResultMemory, index: Int) {
        self.result = result
        self.index = index
    }

    /// - Throws: `.unexpectedColumn`: no such column, NULL where no Optional was asked for, or another type.
    package func decode<Value: PostgresDecodable>(
        _ column: String,
        as type: Value.Type = Value.self
    ) throws(PostgresError) -> Value {
        guard let cell = result.cell(row: index, column: column), let value = Value(cell) else {
            throw .unexpectedColumn(column)
        }
        return value
    }
}

/// A cell as it came over the wire, in binary. Valid while it is being decoded.
package struct PostgresCell {
    /// nil: NULL.
    let bytes: UnsafeRawBufferPointer?
    let type: UInt32
}

/// Owns one `PGresult`.
///
/// Safe to share although unchecked: a finished result is only read, which libpq allows from any thread, and it is freed when the
/// last reader is gone.
final class ResultMemory: @unchecked Sendable {
    private let result: OpaquePointer

    /// Takes the result over.
    init(owning result: OpaquePointer) {
        self.result = result
    }

    deinit {
        PQclear(result)
    }

    var rowCount: Int { Int(PQntuples(result)) }

    var affectedRows: Int {
        guard let text = PQcmdTuples(result) else { return 0 }
        return Int(String(cString: text)) ?? 0
    }

    var commandTag: String {
        guard let text = PQcmdStatus(result) else { return "" }
        return String(String(cString: text).prefix { $0 != " " })
    }

    func cell(row: Int, column: String) -> PostgresCell? {
        let column = column.withCString { PQfnumber(result, $0) }
        guard column >= 0 else { return nil }
        let row = Int32(row)
        let type = PQftype(result, column)
        guard PQgetisnull(result, row, column) == 0, let value = PQgetvalue(result, row, column) else {
            return PostgresCell(bytes: nil, type: type)
        }
        let bytes = UnsafeRawBufferPointer(start: value, count: Int(PQgetlength(result, row, column)))
        return PostgresCell(bytes: bytes, type: type)
    }
}

/// A choice among the known fields, made once: whether a field is in it costs a shift.
package struct KnownFieldSet: Sendable, Equatable {
    private var bits: UInt128 = 0

    package init() {}

    /// - Parameter isMember: asked about every known field.
    package init(where isMember: (KnownField) -> Bool) {
        for field in KnownField.allCases where isMember(field) { bits |= FieldBlock.bit(of: field.rawValue) }
    }

    package func contains(_ field: KnownField) -> Bool { bits & FieldBlock.bit(of: field.rawValue) != 0 }
}

/// What a request's JSON body says about its call.
package struct BodyFacts: Sendable, Equatable {
    /// Members to look for.
    package struct Wanted: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// `model`, a string.
        package static let model = Wanted(rawValue: 1)
        /// `stream`, a boolean.
        package static let stream = Wanted(rawValue: 2)
        /// `requests`, an array: as many items.
        package static let requests = Wanted(rawValue: 4)
        /// `input`: a text or an array of numbers is one item, any other array as many as it holds.
        package static let input = Wanted(rawValue: 8)
    }

    package var model: String?
    package var stream: Bool?
    package var items: Int?

    package init(model: String? = nil, stream: Bool? = nil, items: Int? = nil) {
        self.model = model
        self.stream = stream
        self.items = items
    }
}

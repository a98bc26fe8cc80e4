/// Cuts a text into overlapping passages, at paragraphs, sentences or words.
package enum Chunker {
    /// Characters of one passage: some 300 tokens.
    package static let size = 1_200
    /// Said twice, so that what spans a border is found whole.
    package static let overlap = 150

    package static func chunks(of text: String) -> [String] {
        let characters = Array(text)
        var chunks: [String] = []
        var start = 0
        while start < characters.count {
            while start < characters.count, characters[start].isWhitespace { start += 1 }
            guard start < characters.count else { break }
            let end = end(of: characters, from: start)
            var last = end
            while last > start, characters[last - 1].isWhitespace { last -= 1 }
            chunks.append(String(characters[start..<last]))
            guard end < characters.count else { break }
            start = nextStart(characters, after: start, end: end)
        }
        return chunks
    }

    /// Looks back from the full size to its half for the best place to cut.
    private static func end(of characters: [Character], from start: Int) -> Int {
        let full = start + size
        guard full < characters.count else { return characters.count }
        let half = start + size / 2
        var sentence: Int?
        var word: Int?
        for index in stride(from: full, to: half, by: -1) {
            let character = characters[index - 1]
            if character.isNewline, characters[index - 2].isNewline { return index }
            if sentence == nil, characters[index].isWhitespace, ".!?。！？".contains(character) { sentence = index }
            if word == nil, character.isWhitespace { word = index }
        }
        return sentence ?? word ?? full
    }

    /// Steps back by the overlap, to the beginning of a word.
    private static func nextStart(_ characters: [Character], after start: Int, end: Int) -> Int {
        let back = max(start + 1, end - overlap)
        let word = (back..<end).first { characters[$0 - 1].isWhitespace }
        return word ?? end
    }
}

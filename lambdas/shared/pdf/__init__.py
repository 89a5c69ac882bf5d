"""PDFs read: text in reading order, tables, what is drawn. Needs pypdfium2 and pdfplumber of the function's layer."""

-- What was stored since may be equal to another without it.
DO 0;
